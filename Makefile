# The front door. Each target first makes sure that the tools are there (tools/setup.sh), then hands over to
# build.mk, which knows the rules. `make help` lists the targets.

MAKEFLAGS += --no-print-directory
JOBS ?= $(shell nproc)
BUILD_MAKE = $(MAKE) -j$(JOBS) -f build.mk

# What `make run` starts: see docs/testing.md for the rest.
export CPUS ?= 4
export MEM ?= 1G
export APPEND ?=
export GUI ?=
export AREA ?=
export SECONDS ?=

TARGETS := all run test check image debug bench bench-accept bench-frames bench-faults memmap trace soak lint
TARGETS += fuzz-syscalls

.PHONY: $(TARGETS) setup format clean help
.DEFAULT_GOAL := all

$(TARGETS): setup
	@$(BUILD_MAKE) $@

setup:
	@tools/setup.sh

format: setup
	@$(BUILD_MAKE) format

clean:
	rm -rf build

help:
	@echo 'make run      build, and boot to the prompt in QEMU (CPUS=4 MEM=1G APPEND="key=value" GUI=1)'
	@echo 'make test     the whole suite; ends with "N passed, N failed"'
	@echo 'make check    the part of the suite for the edit loop, under two minutes'
	@echo 'make image    build/quire.img, a disk image for a USB stick or a virtual machine'
	@echo 'make debug    QEMU stopped at the start, gdb attached with the symbols of the kernel'
	@echo 'make fuzz-syscalls SECONDS=60   system calls of all kinds at random, seeds told'
	@echo 'make bench    operations counted in instructions against the table (AREA=boot for one area)'
	@echo 'make bench-accept    the same, and what comes out becomes the table'
	@echo 'make bench-frames    the page-frame allocator on this machine, beside a textbook one; minutes'
	@echo 'make bench-faults    page faults on two CPUs against one, in time; wants two idle cores'
	@echo 'make memmap   build/memmap.svg, a picture of who has each page frame, at work and at rest'
	@echo 'make trace    build/trace.json, a timeline of a boot for ui.perfetto.dev'
	@echo 'make soak     ten minutes of everything at once (SECONDS=60 for one)'
	@echo 'make lint     static checks'
	@echo 'make format   format the sources'
	@echo 'make clean    remove build/'
