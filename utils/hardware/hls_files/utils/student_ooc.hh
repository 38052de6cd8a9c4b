#pragma once
#include "student.hh"

typedef ap_uint<@INPUT_BITS@> input_word;
typedef ap_uint<@OUTPUT_BITS@> output_word;

// The words are those of the Verilog.
void student_fn(input_word model_inp, output_word &model_out);
