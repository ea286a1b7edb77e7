"""The subcommands of `fimd`, one module each; together with `cli` they put the parts together."""
