"""The same steps, faster: networks padded into one stack, and gradients written out by hand.

Nothing here changes a number beyond rounding, and no method needs to know of it: the tests hold
each function to autograd on the readable losses.

* :mod:`~droco_lite.agents.fast.padded`: the IQL family's six networks in six tensors;
* :mod:`~droco_lite.agents.fast.gradients`: the derivatives of its losses;
* :mod:`~droco_lite.agents.fast.adam`: Adam on those, for a compiled step;
* :mod:`~droco_lite.agents.fast.td3`: the derivatives of TD3's losses.
"""
