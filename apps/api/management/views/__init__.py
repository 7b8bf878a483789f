"""The management API's endpoints: parse, call one service or selector, answer."""
