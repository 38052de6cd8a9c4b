// Emulator of @MODEL@ for CMSSW, equal in every bit to the firmware. Made by export_firmware.py.
#include "@MODEL@.h"

#include "NN/@MODEL@.hh"
#include "hls4ml/emulator.h"

#include <algorithm>
#include <any>

namespace @MODEL@ {

// An angle continues after a full turn; energies and eta stop at the ends of their range.
inline int in_range(int value, int low, int high, int steps) {
  if (steps > 0)
    return (value % steps + steps) % steps;
  return std::clamp(value, low, high);
}

class Emulator final : public hls4mlEmulator::Model {
public:
  void prepare_input(std::any input) override {
    const Inputs& values = *std::any_cast<Inputs*>(input);
    for (std::size_t i = 0; i < values.size(); ++i)
      inputs_[i] = in_range(values[i], lowest[i], highest[i], turn[i]);
  }

  void predict() override {
    @OUTPUT_TYPE@ outputs[1];
    logic<const int>(inputs_.data(), outputs);
    result_ = bit_shift<@FRACTION_BITS@>(outputs[0]).to_int();
  }

  void read_result(std::any result) override { *std::any_cast<Result*>(result) = result_; }

private:
  Inputs inputs_{};
  Result result_ = 0;
};

}  // namespace @MODEL@

extern "C" __attribute__((visibility("default"))) hls4mlEmulator::Model* create_model() {
  return new @MODEL@::Emulator;
}

extern "C" __attribute__((visibility("default"))) void destroy_model(hls4mlEmulator::Model* model) { delete model; }
