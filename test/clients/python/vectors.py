"""vectors.py: values of the four types, their text and binary forms.

Debian has no package of pgvector's adapters for Python; these are the few that
the tests need.
"""
import struct


class Vector:
    """Numbers, of type vector.  No list, since libraries know what to do with lists."""
    name = 'vector'
    form = 'f'

    def __init__(self, values):
        self.values = [float(value) for value in values]

    def __eq__(self, other):
        return type(other) is type(self) and self.values == other.values

    def __repr__(self):
        return self.to_text()

    def to_text(self):
        return '[' + ','.join(repr(value) for value in self.values) + ']'

    @classmethod
    def from_text(cls, text):
        return cls(float(value) for value in text[1:-1].split(','))

    def to_binary(self):
        return struct.pack(f'>hh{len(self.values)}{self.form}', len(self.values), 0, *self.values)

    @classmethod
    def from_binary(cls, data):
        count, unused = struct.unpack_from('>hh', data)
        assert unused == 0
        return cls(struct.unpack_from(f'>{count}{cls.form}', data, 4))


class HalfVector(Vector):
    """Numbers, of type halfvec."""
    name = 'halfvec'
    form = 'e'


class SparseVector:
    """Numbers by index, counted from 0, and a number of dimensions, of type sparsevec."""
    name = 'sparsevec'

    def __init__(self, dimensions, elements):
        self.dimensions = dimensions
        self.elements = {index: float(value) for index, value in sorted(elements.items()) if value != 0}

    def __eq__(self, other):
        return isinstance(other, SparseVector) and (self.dimensions, self.elements) == (other.dimensions, other.elements)

    def __repr__(self):
        return self.to_text()

    def to_text(self):
        return '{' + ','.join(f'{index + 1}:{value!r}' for index, value in self.elements.items()) + f'}}/{self.dimensions}'

    @classmethod
    def from_text(cls, text):
        elements, dimensions = text.split('/')
        pairs = (pair.split(':') for pair in elements[1:-1].split(',') if pair)
        return cls(int(dimensions), {int(index) - 1: float(value) for index, value in pairs})

    def to_binary(self):
        count = len(self.elements)
        return struct.pack(f'>iii{count}i{count}f', self.dimensions, count, 0, *self.elements.keys(), *self.elements.values())

    @classmethod
    def from_binary(cls, data):
        dimensions, count, unused = struct.unpack_from('>iii', data)
        assert unused == 0
        indices = struct.unpack_from(f'>{count}i', data, 12)
        return cls(dimensions, dict(zip(indices, struct.unpack_from(f'>{count}f', data, 12 + 4 * count))))


TYPES = (Vector, HalfVector, SparseVector)
