// Types and numbers of @MODEL@ that a producer needs. Made by export_firmware.py.
#ifndef @MODEL@_H_
#define @MODEL@_H_

#include <array>
#include <cstddef>

namespace @MODEL@ {

// Integers of the trigger, in steps: all slots of one quantity, then those of the next.
using Inputs = std::array<int, @N_INPUTS@>;

// Number of slots, and position of the first integer of each quantity.
inline constexpr std::size_t n_slots = @N_SLOTS@;
@POSITIONS@

// Smallest and largest integer of each input.
inline constexpr Inputs lowest = {@LOWEST@};
inline constexpr Inputs highest = {@HIGHEST@};

// Steps in a turn where an input is an angle, elsewhere 0.
inline constexpr Inputs turn = {@TURN@};

// The corrected sum, in steps of so many GeV.
using Result = int;
inline constexpr double result_step = @RESULT_STEP@;

}  // namespace @MODEL@

#endif
