"""The operator's command, `wifibilling`: an entry point over radius, billing and coa. Nothing imports it.

`app` puts it together; one module a group of commands, whose functions take a `Frame` first and are registered by
`frame.command`, which gives every command the same options. `exits` says what an exit code means.
"""
