"""Exports: files of a chip and its runs that other tools of the field read, and what is read from them."""
