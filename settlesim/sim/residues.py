"""Large whole numbers from their remainders, by the Chinese remainder theorem; and primes for it.

References
----------
Knuth, The Art of Computer Programming, volume 2, 1997, section 4.3.2 (modular arithmetic).
Jaeschke, "On strong pseudoprimes to several bases", Mathematics of Computation 61, 1993.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

__all__ = ["from_remainders", "primes_for"]

_LARGEST = (1 << 31) - 1  # sums of two remainders have 32 bits, products have 62
_BASES = (2, 3, 5, 7)  # enough below 3,215,031,751 (Jaeschke 1993)


def primes_for(bits: int) -> list[int]:
    """Return the largest primes below 2^31 whose product has more than `bits` bits.

    Examples
    --------
    >>> primes_for(40)
    [2147483647, 2147483629]
    """
    found: list[int] = []
    product, candidate = 1, _LARGEST
    while product.bit_length() <= bits + 1:
        if _is_prime(candidate):
            found.append(candidate)
            product *= candidate
        candidate -= 2
    return found


def _is_prime(number: int) -> bool:
    """Whether an odd number above 7 and below 2^31 is prime (Miller and Rabin's test)."""
    odd = number - 1
    twos = (odd & -odd).bit_length() - 1
    odd >>= twos
    for base in _BASES:
        power = pow(base, odd, number)
        if power in {1, number - 1}:
            continue
        if all((power := power * power % number) != number - 1 for _ in range(twos - 1)):
            return False
    return True


def from_remainders(remainders: Iterable[int], primes: Sequence[int]) -> int:
    """Return the least non-negative number that has these remainders.

    Examples
    --------
    >>> from_remainders([2, 3], [5, 7])
    17
    """
    product = math.prod(primes)
    found = 0
    for remainder, prime in zip(remainders, primes, strict=True):
        rest = product // prime
        found += remainder * rest * pow(rest, -1, prime)
    return found % product
