"""Finding and reading model files. Safetensors only; no pickles, no remote code."""
