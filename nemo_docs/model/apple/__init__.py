"""What an Apple GPU does in its own way: attention in few shapes, and products with weights that stay packed.

Nothing here has been measured: it is reasoned from PyTorch's sources for Metal and from what its users report, and
tests run the same code on a CPU, in the same shapes. What follows from those sources:

- A shape that was not seen before is compiled, and kept; memory that is given back is kept by its size. So memory grows
  with every new length of a past: hence few lengths (`attention`) and few sizes (`unpacking`).
- Scores of more than 4 GiB end the process, whatever an error handler says: hence a bound on them.
- Products over 32,767 or more keys are wrong on the first two generations of chips (pytorch issue 195163): hence a
  longest block.
- One kernel multiplies with packed weights of four bits (`products`); there is none for eight bits in groups. fp64 does
  not exist, fp8 not before PyTorch 2.15; bf16 and complex numbers do, on every system that PyTorch 2.11 runs on.
"""
