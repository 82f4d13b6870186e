// Moves elements between two strided arrays of one shape. Knows nothing of dtypes but their size.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenon {

// to[i..] = from[i..]; strides in elements; element_size 1, 2, 4 or 8. The two do not overlap.
void copy_strided(void* to, const int64_t* to_strides, const void* from, const int64_t* from_strides,
                  const int64_t* shape, int rank, size_t element_size);

}  // namespace tenon
