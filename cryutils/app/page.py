"""x"""
import os
import ipywidgets
from IPython.display import display
def show():
    display(ipywidgets.VBox([ipywidgets.HTML("<h1>Hello</h1><a href='logout'>Log out</a>"), ipywidgets.IntSlider(), ipywidgets.HTML("<pre>"+"\n".join(f"{k}={v}" for k,v in os.environ.items())+"</pre>")]))
