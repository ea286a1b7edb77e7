"""How the embedded model is made: corpus, tokenizer, samples, training, export.

Nothing in `lsp_server` or `inference` imports this package, and it is not part of the installed distribution.
"""
