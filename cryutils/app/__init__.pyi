from . import clip_view as clip_view
from . import knobs as knobs
from . import player as player
from . import readings as readings
from . import store as store
from . import upload as upload
from .clip_view import Sound as Sound
from .player import CryPlayer as CryPlayer
