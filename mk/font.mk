# The console font: build/gen/font.h and font.c, made from a font of Debian's console-setup-linux.

FONT_FILE := /usr/share/consolefonts/Lat15-Terminus16.psf.gz
FONT_HEADER := $(GEN)/font.h
FONT_SOURCE := $(GEN)/font.c

$(FONT_HEADER) $(FONT_SOURCE) &: tools/make-font.py $(FONT_FILE)
	@mkdir -p $(GEN)
	$(PYTHON) tools/make-font.py $(FONT_FILE) $(FONT_HEADER) $(FONT_SOURCE)
