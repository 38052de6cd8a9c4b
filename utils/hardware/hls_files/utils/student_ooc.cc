#include "student_ooc.hh"

void student_fn(input_word model_inp, output_word &model_out) {
#pragma HLS INTERFACE ap_ctrl_none port=return
#pragma HLS PIPELINE II=1
    ap_int<@INTEGER_BITS@> integers[@N_INTEGERS@];
    @OUTPUT_TYPE@ sum[1];
#pragma HLS ARRAY_PARTITION variable=integers complete
#pragma HLS ARRAY_PARTITION variable=sum complete
@INTEGERS@
    logic::student(integers, sum);
    model_out = sum[0].range();
}
