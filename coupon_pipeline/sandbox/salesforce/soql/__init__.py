"""SOQL: text to tokens, tokens to a tree, a tree and a schema to rows."""
