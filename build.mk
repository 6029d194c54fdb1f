# The rules, by folder: each fragment in mk/ builds one part of the tree into build/. Not called directly, but
# by the Makefile, which installs the tools first.

MAKEFLAGS += --no-builtin-rules --no-builtin-variables
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

BUILD := build
CC := clang
LD := ld.lld
OBJCOPY := llvm-objcopy
PYTHON := /usr/bin/python3

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
            -Wwrite-strings -Wimplicit-fallthrough -Wpointer-arith
CSTD := -std=gnu17

all: image

include mk/gen.mk
include mk/frame.mk
include mk/font.mk
include mk/kernel.mk
-include mk/boot.mk
-include mk/user.mk
-include mk/image.mk
-include mk/host.mk
-include mk/frame-bench.mk
-include mk/test.mk
-include mk/bench.mk
-include mk/lint.mk

.PHONY: all
