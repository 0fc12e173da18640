"""How nodes speak: messages, framing, handshake, causal delivery, link progress."""
