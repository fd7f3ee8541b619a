"""The package's robots: each module holds one record, ``ROBOT``, and is found by itself."""
