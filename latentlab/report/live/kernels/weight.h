// Weights, once at the start: to float32, and into the order in which the kernels read them.
#pragma once
#include "vector.h"

// value = byte × scale, with a scale for each row and block of 64 columns.
EXPORT(dequantize) void dequantize(const signed char *bytes, const float *scales, float *y, int rows, int columns) {
  const int blocks = (columns + 63) / 64;
  for (int row = 0; row < rows; row++)
    for (int column = 0; column < columns; column++)
      *y++ = *bytes++ * scales[row * blocks + column / 64];
}

// float16 to float32, subnormals and infinities included.
EXPORT(widen) void widen(const unsigned short *halves, float *y, int count) {
  for (int i = 0; i < count; i++) {
    const unsigned sign = (halves[i] & 0x8000u) << 16, exponent = (halves[i] >> 10) & 31, mantissa = halves[i] & 1023;
    union { unsigned bits; float value; } out;
    if (exponent == 0) {
      out.value = mantissa * 0x1p-24f;
      out.bits |= sign;
    } else {
      out.bits = sign | (exponent == 31 ? 255 : exponent + 112) << 23 | mantissa << 13;
    }
    y[i] = out.value;
  }
}

// Weights as `convolve` reads them: panels of four channels, and in a panel the four values of each step together.
// Step k is the sum of the columns index[k · terms …]; -1 stands for none, and channels past the last are zeros.
EXPORT(pack) void pack(const float *w, int channels, int columns, const int *index, int depth, int terms, float *y) {
  for (int panel = 0; panel < channels; panel += 4)
    for (int k = 0; k < depth; k++)
      for (int channel = panel; channel < panel + 4; channel++) {
        float sum = 0;
        for (int term = 0; term < terms; term++) {
          const int column = index[k * terms + term];
          if (channel < channels && column >= 0) sum += w[channel * columns + column];
        }
        *y++ = sum;
      }
}
