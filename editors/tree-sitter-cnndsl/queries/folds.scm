[(body) (settings) (call) (list)] @fold
