// Moves elements between two strided arrays of one shape. Knows nothing of dtypes but their size.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenon {

// to[i..] = from[i..]; strides in elements; element_size 1, 2, 4 or 8. The two do not overlap.
void copy_strided(void* to, const int64_t* to_strides, const void* from, const int64_t* from_strides,
                  const int64_t* shape, int rank, size_t element_size);

// to[x * to_row + j] = from[x + offset[j]] for x < n, j < 4, in elements of 4 bytes.
void transpose_four(uint32_t* to, int64_t to_row, const uint32_t* from, const int64_t* offset, int64_t n);

}  // namespace tenon
