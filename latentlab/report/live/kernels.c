// The arithmetic of a decoder for WebAssembly with 128-bit SIMD: no library, no state but what the caller points to.
//
// Tensors are the float32 values of one image, row-major. The runtime plans the memory and checks every size; it
// gives each buffer room behind its last value, so that loops may go in whole vectors and reach over the end.
#include "kernels/weight.h"
#include "kernels/product.h"
#include "kernels/winograd.h"
#include "kernels/move.h"
#include "kernels/pointwise.h"
#include "kernels/norm.h"
