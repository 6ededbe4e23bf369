"""Explicit vector instructions for Numba's functions.

Whether LLVM turns a loop into vector instructions depends on the loop's neighbours: the same product ran at a fifth of
its speed once its scales were half precision. So the inner loops are written as operations on vectors of a stated
width, which LLVM splits or joins into what the processor has (AVX-512, AVX2, NEON). What they read and write are plain
addresses: callers keep within their arrays.

Each function here adds instructions to the code that is being built; none of them computes anything when called.
"""

from __future__ import annotations

from typing import Any

from nemo_docs.model.cpu.compiler import ir

_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4
_EXP_POLYNOMIAL = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)
"""Cephes' `expf`: within 2 units in the last place over the range that is used."""
_MOST_EXPONENT = 87.0


class Vectors:
    """Builds operations on vectors of `width` elements.

    Args:
        builder: LLVM's instruction builder.
        width: Elements of a vector.
    """

    def __init__(self, builder: Any, width: int) -> None:
        self.builder, self.width = builder, width
        self._float, self._index, self._address = ir.FloatType(), ir.IntType(32), ir.IntType(64)
        self.floats, self.whole = ir.VectorType(self._float, width), ir.VectorType(self._index, width)

    def offset(self, address: Any, n_bytes: int) -> Any:
        """An address some bytes on."""
        return self.builder.add(address, ir.Constant(self._address, n_bytes)) if n_bytes else address

    def row(self, address: Any, stride: Any, n: int) -> Any:
        """The address of row `n` of rows that lie `stride` bytes apart."""
        return self.builder.add(address, self.builder.mul(stride, ir.Constant(self._address, n))) if n else address

    def number(self, address: Any) -> Any:
        """One fp32 number, in every element of a vector."""
        return self.splat(self._load(address, self._float, 4))

    def splat(self, value: Any) -> Any:
        """One fp32 value in every element of a vector."""
        nothing = ir.Constant(self.floats, ir.Undefined)
        first = self.builder.insert_element(nothing, value, ir.Constant(self._index, 0))
        return self.builder.shuffle_vector(first, nothing, ir.Constant(self.whole, [0] * self.width))

    def constant(self, value: float) -> Any:
        """The same number in every element."""
        return ir.Constant(self.floats, [value] * self.width)

    def load(self, address: Any) -> Any:
        """fp32 numbers."""
        return self._load(address, self.floats, 4)

    def load_half(self, address: Any) -> Any:
        """fp16 numbers, as fp32."""
        return self.builder.fpext(self._load(address, ir.VectorType(ir.HalfType(), self.width), 2), self.floats)

    def load_bfloat16(self, address: Any) -> Any:
        """bf16 numbers, as fp32: their bits are the upper half of fp32's."""
        bits = self.builder.zext(self._load(address, ir.VectorType(ir.IntType(16), self.width), 2), self.whole)
        return self.builder.bitcast(self.builder.shl(bits, self._whole(16)), self.floats)

    def load_int8(self, address: Any) -> Any:
        """Signed bytes, as fp32."""
        return self.builder.sitofp(
            self.builder.sext(self._load(address, ir.VectorType(ir.IntType(8), self.width), 1), self.whole), self.floats
        )

    def load_nibbles(self, address: Any) -> tuple[Any, Any]:
        """The low and the high half of bytes, as fp32."""
        pairs = self.builder.zext(self._load(address, ir.VectorType(ir.IntType(8), self.width), 1), self.whole)
        low, high = self.builder.and_(pairs, self._whole(15)), self.builder.lshr(pairs, self._whole(4))
        return self.builder.sitofp(low, self.floats), self.builder.sitofp(high, self.floats)

    def store(self, value: Any, address: Any) -> None:
        """Put a vector of fp32 numbers, or one of them."""
        self.builder.store(value, self.builder.inttoptr(address, value.type.as_pointer())).align = 4

    def store_bfloat16(self, value: Any, address: Any) -> None:
        """Put fp32 numbers as bf16, the nearest one, of two equally near the even one."""
        builder, bits = self.builder, self.builder.bitcast(value, self.whole)
        odd = builder.and_(builder.lshr(bits, self._whole(16)), self._whole(1))
        rounded = builder.lshr(builder.add(bits, builder.add(odd, self._whole(0x7FFF))), self._whole(16))
        narrow = builder.trunc(rounded, ir.VectorType(ir.IntType(16), self.width))
        builder.store(narrow, builder.inttoptr(address, narrow.type.as_pointer())).align = 2

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """A * b + c, fused where the processor does that."""
        return self._call("fmuladd", a, b, c)

    def sum(self, value: Any) -> Any:
        """The sum of a vector's elements, halves added to halves; one fp32."""
        width = self.width
        while width > 1:
            width //= 2
            nothing = ir.Constant(value.type, ir.Undefined)
            low, high = (
                self.builder.shuffle_vector(
                    value, nothing, ir.Constant(ir.VectorType(self._index, width), [*range(at, at + width)])
                )
                for at in (0, width)
            )
            value = self.builder.fadd(low, high)
        return self.builder.extract_element(value, ir.Constant(self._index, 0))

    def exp(self, x: Any) -> Any:
        """e^x for x between -87 and 87; beyond, as there: next to nothing, or more than any number that is left."""
        builder = self.builder
        x = self._call("maxnum", x, self.constant(-_MOST_EXPONENT))
        x = self._call("minnum", x, self.constant(_MOST_EXPONENT))
        power = self._call("floor", self.multiply_add(x, self.constant(_LOG2_E), self.constant(0.5)))
        rest = self.multiply_add(power, self.constant(-_LN2_HIGH), x)
        rest = self.multiply_add(power, self.constant(-_LN2_LOW), rest)
        series = self.constant(_EXP_POLYNOMIAL[0])
        for coefficient in _EXP_POLYNOMIAL[1:]:
            series = self.multiply_add(series, rest, self.constant(coefficient))
        mantissa = builder.fadd(self.multiply_add(series, builder.fmul(rest, rest), rest), self.constant(1.0))
        exponent = builder.shl(builder.add(builder.fptosi(power, self.whole), self._whole(127)), self._whole(23))
        return builder.fmul(mantissa, builder.bitcast(exponent, self.floats))

    def _whole(self, value: int) -> Any:
        return ir.Constant(self.whole, [value] * self.width)

    def _load(self, address: Any, kind: Any, align: int) -> Any:
        loaded = self.builder.load(self.builder.inttoptr(address, kind.as_pointer()))
        loaded.align = align
        return loaded

    def _call(self, name: str, *arguments: Any) -> Any:
        module, name = self.builder.module, f"llvm.{name}.v{self.width}f32"
        kind = ir.FunctionType(self.floats, [self.floats] * len(arguments))
        function = module.globals.get(name) or ir.Function(module, kind, name)
        return self.builder.call(function, arguments)
