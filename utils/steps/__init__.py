"""The options of each script, which are its section of the configuration: a module has the name of the script."""
