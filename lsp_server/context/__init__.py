"""Pieces of other files that help at the cursor: definitions of what is imported, and places like this one.

Pure: knows texts that an editor has sent, and nothing of the disk, of pygls, of models and of time.
"""
