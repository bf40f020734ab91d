"""Random JSON Schemas and documents for comparisons, the same in every run of one seed."""
import random


class Maker:
    """Schemas and documents that have a chance to fit each other."""

    NAMES = ["a", "b", "c", "age", "x/y", "t~n", "ä", "longer name"]
    TEXTS = ["", "a", "ab", "abc", "ä", "😀😀", "Zürich", "a1", "hello world", "12", "true"]
    PATTERNS = ["^a", "b$", "^[a-z]+$", "[0-9]", "^(a|b)*c?$", "^.{2,4}$", "ü", "^\\w+ \\w+$"]
    NUMBERS = [0, 1, -1, 2, 3, 5, 10, 2 ** 53, 2 ** 53 + 1, 2 ** 63 - 1, -2 ** 63, 0.5, 1.0, 2.5,
               -0.25, 10.0, float(2 ** 53), 1e300, -1e18]
    TYPES = ["string", "integer", "number", "boolean", "null", "object", "array"]

    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, items):
        return self.random.choice(items)

    def chance(self, share):
        return self.random.random() < share

    def value(self, depth):
        kind = self.random.randrange(8 if depth > 0 else 5)
        if kind == 0:
            return self.pick([True, False, None])
        if kind in (1, 2):
            return self.pick(self.NUMBERS)
        if kind in (3, 4):
            return self.pick(self.TEXTS)
        if kind == 5:
            return [self.value(depth - 1) for _ in range(self.random.randrange(4))]
        return self.object(depth - 1)

    def object(self, depth):
        names = self.random.sample(self.NAMES, self.random.randrange(5))
        return {name: self.value(depth) for name in names}

    def number_words(self, schema):
        low, high = sorted(self.random.sample(self.NUMBERS, 2))
        if self.chance(0.4):
            schema["minimum"] = low
        elif self.chance(0.3):
            schema["exclusiveMinimum"] = low
        if self.chance(0.4) and low < high:
            schema["maximum"] = high
        elif self.chance(0.3) and low < high:
            schema["exclusiveMaximum"] = high
        if self.chance(0.2):
            # Not 2.0: jsonschema divides 2^53 + 1 by it in floating point.
            schema["multipleOf"] = self.pick([1, 2, 3, 5, 0.5, 0.25])

    def text_words(self, schema):
        low = self.random.randrange(4)
        if self.chance(0.4):
            schema["minLength"] = low
        if self.chance(0.4):
            schema["maxLength"] = low + self.random.randrange(3)
        if self.chance(0.4):
            schema["pattern"] = self.pick(self.PATTERNS)

    def object_words(self, schema, depth):
        names = self.random.sample(self.NAMES, self.random.randrange(1, 5))
        schema["properties"] = {name: self.schema(depth - 1) for name in names}
        if self.chance(0.4):
            schema["required"] = self.random.sample(names, self.random.randrange(len(names) + 1))
        if self.chance(0.3):
            schema["additionalProperties"] = self.pick([False, True, self.schema(0)])
        if self.chance(0.2):
            schema["minProperties"] = self.random.randrange(3)
        if self.chance(0.2):
            schema["maxProperties"] = self.random.randrange(2, 5)

    def array_words(self, schema, depth):
        if self.chance(0.7):
            schema["items"] = self.schema(depth - 1)
        if self.chance(0.3):
            schema["minItems"] = self.random.randrange(2)
        if self.chance(0.3):
            schema["maxItems"] = self.random.randrange(1, 4)
        if self.chance(0.4):
            schema["uniqueItems"] = self.pick([True, True, False])

    def schema(self, depth):
        schema = {}
        if self.chance(0.7):
            schema["type"] = self.pick(self.TYPES) if self.chance(0.7) else \
                self.random.sample([name for name in self.TYPES if name != "integer"], 2)
        if self.chance(0.4):
            self.number_words(schema)
        if self.chance(0.4):
            self.text_words(schema)
        if depth > 0 and self.chance(0.4):
            self.object_words(schema, depth)
        if depth > 0 and self.chance(0.4):
            self.array_words(schema, depth)
        if self.chance(0.1):
            schema["enum"] = [self.value(1) for _ in range(self.random.randrange(1, 5))]
        return schema

    def pair(self):
        schema = {}
        self.object_words(schema, 3)
        document = {name: self.value(2) for name in schema["properties"] if self.chance(0.8)}
        if self.chance(0.3):
            document |= self.object(2)
        return schema, document
