from . import corpus as corpus
from . import donateacry as donateacry
from . import folder as folder
from . import loading as loading
from . import synthetic as synthetic
