[(body) (settings) (call) (list) (group)] @indent
["}" ")" "]"] @outdent
