// Self-checking test bench: compares the output of each event with the expected one. Prints PASS and returns 0, or
// prints FAIL and returns 1. Arguments: folder of the vectors, tb_data by default; file for the outputs.
#include <fstream>
#include <iostream>
#include <string>

#include "utils/student_ooc.hh"

template <int bits> bool read_word(std::istream &file, ap_uint<bits> &word) {
    std::string digits;
    if (!(file >> digits))
        return false;
    word = 0;
    for (std::string::size_type i = 0; i < digits.size(); i++)
        word = (word << 4) | ap_uint<bits>(std::stoi(digits.substr(i, 1), nullptr, 16));
    return true;
}

int main(int argc, char **argv) {
    const std::string folder = argc > 1 ? argv[1] : "tb_data";
    std::ifstream inputs(folder + "/inputs.mem"), outputs(folder + "/outputs.mem");
    std::ofstream results;
    if (argc > 2)
        results.open(argv[2]);
    input_word input;
    output_word expected, found;
    int n_events = 0, different = 0;
    const int most_shown = 10;
    for (; read_word(inputs, input); n_events++) {
        if (!read_word(outputs, expected)) {
            std::cout << "FAIL: no expected output of event " << n_events << std::endl;
            return 1;
        }
        student_fn(input, found);
        results << std::hex << found.to_uint64() << '\n';
        if (found != expected && different++ < most_shown)
            std::cout << "event " << n_events << ": output " << found.to_uint64() << ", expected "
                      << expected.to_uint64() << std::endl;
    }
    if (n_events == 0)
        std::cout << "FAIL: no events in " << folder << std::endl;
    else if (different)
        std::cout << "FAIL: " << different << " of " << n_events << " events differ" << std::endl;
    else
        std::cout << "PASS: " << n_events << " events" << std::endl;
    return n_events == 0 || different;
}
