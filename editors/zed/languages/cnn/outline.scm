(network "network" @context name: (name) @name) @item
(block "block" @context name: (name) @name) @item
(train "train" @name) @item
(chain (label (name) @name)) @item
