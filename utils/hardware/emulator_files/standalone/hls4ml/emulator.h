// Interface of emulators in CMSSW, for builds without the package hls4mlEmulatorExtras, whose header has the same name.
// Names, types and order of the virtual functions are those of that header: they decide the layout of the table of
// functions by which CMSSW calls a library. CMSSW's loader of libraries is not part of this file.
#ifndef HLS4ML_EMULATOR_H_
#define HLS4ML_EMULATOR_H_

#include <any>

namespace hls4mlEmulator {

class Model {
public:
  virtual void prepare_input(std::any input) = 0;
  virtual void predict() = 0;
  virtual void read_result(std::any result) = 0;
  virtual ~Model() = default;
};

}  // namespace hls4mlEmulator

#endif
