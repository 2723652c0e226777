// Four float32 values at a time.
#pragma once
#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(#name)))
#define SPLAT wasm_f32x4_splat
#define LOAD wasm_v128_load
#define STORE wasm_v128_store
#define ADD wasm_f32x4_add
#define SUB wasm_f32x4_sub
#define MUL wasm_f32x4_mul

typedef v128_t vector;

static inline vector multiply_add(vector a, vector b, vector c) { return ADD(MUL(a, b), c); }

static inline float total(vector v) {
  return (wasm_f32x4_extract_lane(v, 0) + wasm_f32x4_extract_lane(v, 1)) +
         (wasm_f32x4_extract_lane(v, 2) + wasm_f32x4_extract_lane(v, 3));
}
