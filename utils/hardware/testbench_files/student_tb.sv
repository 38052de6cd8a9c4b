// Self-checking test bench: an event of ../vectors enters in each clock cycle, and each output is compared with the
// expected one after the latency. Prints PASS, or FAIL and ends with $fatal.
`timescale 1 ns / 1 ps

module student_tb;
    localparam int N_EVENTS = @N_EVENTS@;
    localparam int LATENCY = @LATENCY@;  // clock edges from an event at the pins to its output in the output register
    localparam int INPUT_BITS = @INPUT_BITS@;
    localparam int OUTPUT_BITS = @OUTPUT_BITS@;
    localparam real CLOCK_PERIOD = @CLOCK_PERIOD@;  // ns
    localparam int MOST_SHOWN = 10;

    logic clk = 0;
    logic [INPUT_BITS-1:0] model_inp = '0;
    wire [OUTPUT_BITS-1:0] model_out;
    logic [INPUT_BITS-1:0] inputs [0:N_EVENTS-1];
    logic [OUTPUT_BITS-1:0] expected [0:N_EVENTS-1];
    int different = 0;

    student dut (.clk(clk), .model_inp(model_inp), .model_out(model_out));

    always #(CLOCK_PERIOD / 2) clk = ~clk;

    task compare(input int number);
        // a file that is missing or too short leaves X, in the expected output too
        if (model_out !== expected[number] || (^expected[number]) === 1'bx) begin
            different++;
            if (different <= MOST_SHOWN)
                $display("event %0d: output %0d, expected %0d", number, model_out, expected[number]);
        end
    endtask

    initial begin
        $readmemh("../vectors/inputs.mem", inputs);
        $readmemh("../vectors/outputs.mem", expected);
        for (int cycle = 0; cycle < N_EVENTS + LATENCY; cycle++) begin
            @(negedge clk);
            if (cycle >= LATENCY) compare(cycle - LATENCY);
            if (cycle < N_EVENTS) model_inp = inputs[cycle];
        end
        if (different != 0) $fatal(1, "FAIL: %0d of %0d events differ", different, N_EVENTS);
        $display("PASS: %0d events, latency %0d cycles", N_EVENTS, LATENCY);
        $finish;
    end
endmodule
