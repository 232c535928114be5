"""A fuzzer over every way in: mutated files and words of the command, each in a child process with limits."""
