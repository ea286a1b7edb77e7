"""The language server: editors, documents, people and time.

Knows nothing of models, tokens or tensors; what it needs of them comes through `completer`.
"""
