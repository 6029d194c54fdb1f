"""What follows from the table of system calls (abi/syscalls.tbl); see tools/gen-syscalls.py."""
