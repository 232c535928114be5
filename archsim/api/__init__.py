"""What a script or a notebook calls: the functions of the commands, and results that are looked at."""
