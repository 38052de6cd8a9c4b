# C simulation in Vitis HLS: vitis_hls -f csim.tcl
cd [file dirname [file normalize [info script]]]
open_project -reset csim_student
set_top student_fn
add_files utils/student_ooc.cc -cflags "-std=c++14 -Isrc"
add_files -tb student_test.cc -cflags "-std=c++14 -Isrc"
add_files -tb tb_data
open_solution -reset solution
set_part @PART@
create_clock -period @CLOCK_PERIOD@ -name default
csim_design
exit
