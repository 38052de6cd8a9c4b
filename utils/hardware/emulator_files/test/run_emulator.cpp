// Run events through the emulators of one or more libraries in one process.
//
//   run_emulator LIBRARY... < events > results
//
// An event is a line of integers, in the order of the inputs. For each event it writes a line with the result of each
// library, and at the end to stderr how many events a second went through all of them.
#include "../@MODEL@/@MODEL@.h"

#include "hls4ml/emulator.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <iostream>
#include <memory>
#include <vector>

using Model = std::unique_ptr<hls4mlEmulator::Model, void (*)(hls4mlEmulator::Model*)>;

static Model load(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  void* create = library ? dlsym(library, "create_model") : nullptr;
  void* destroy = library ? dlsym(library, "destroy_model") : nullptr;
  if (!create || !destroy) {
    std::cerr << dlerror() << '\n';
    std::exit(1);
  }
  return Model(reinterpret_cast<hls4mlEmulator::Model* (*)()>(create)(),
               reinterpret_cast<void (*)(hls4mlEmulator::Model*)>(destroy));
}

int main(int argc, char** argv) {
  std::vector<Model> models;
  for (int i = 1; i < argc; ++i)
    models.push_back(load(argv[i]));

  std::ios::sync_with_stdio(false);
  std::chrono::duration<double> time{0};
  long n_events = 0;
  @MODEL@::Inputs inputs;
  std::vector<@MODEL@::Result> results(models.size());
  while (std::cin >> inputs[0]) {
    for (std::size_t i = 1; i < inputs.size(); ++i)
      std::cin >> inputs[i];
    if (!std::cin) {
      std::cerr << "event " << n_events << ": expected " << inputs.size() << " integers\n";
      return 1;
    }
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < models.size(); ++i) {
      models[i]->prepare_input(&inputs);
      models[i]->predict();
      models[i]->read_result(&results[i]);
    }
    time += std::chrono::steady_clock::now() - start;
    for (std::size_t i = 0; i < results.size(); ++i)
      std::cout << results[i] << (i + 1 < results.size() ? ' ' : '\n');
    ++n_events;
  }
  if (!std::cin.eof()) {
    std::cerr << "event " << n_events << ": not an integer\n";
    return 1;
  }
  std::fprintf(stderr, "%ld events, %.0f a second\n", n_events, n_events / time.count());
}
