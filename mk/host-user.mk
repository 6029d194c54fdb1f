# What the host tests of user space are built from (beside tests/host/NAME.c).

HOST_SOURCES_test_lineedit := user/root/lineedit.c user/root/keys.c user/root/history.c lib/text.c
HOST_SOURCES_test_prompt := user/root/entry_words.c user/root/report.c user/root/words.c user/root/calendar.c lib/text.c
HOST_SOURCES_test_heap := user/libq/heap.c
HOST_SOURCES_test_startup_block := user/libq/startup_block.c
