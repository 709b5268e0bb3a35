"""Pure rules: no I/O, no clock, no log, no environment. Time is an argument, in whole seconds since 1970 UTC."""
