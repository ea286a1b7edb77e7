"""Model architectures behind one small interface: token ids and a key/value cache in, logits out."""
