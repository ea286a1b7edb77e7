"""From a model's name to an engine: finding, downloading, converting and reading model files. No remote code."""
