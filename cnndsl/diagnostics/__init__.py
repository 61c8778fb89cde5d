"""Problems as data, the texts they point into, and their renderers."""
