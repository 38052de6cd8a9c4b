"""The flags that a script needs; FILE and OUT stand for an input and a folder."""

REQUIRED = {
    "generate_events": ["--output=OUT/events.h5", "--process=QCD", "--settings", "HardQCD:all = on"],
    "create_L1regression_data": ["--input=QCD=FILE", "--train_output=OUT/train.h5", "--test_output=OUT/test.h5"],
    "selective_sampling_jets": ["--input=FILE", "--output=OUT/kept.h5", "--sampling_var=true_met"],
    "train_teacher": ["--input=FILE", "--output=OUT/teacher"],
    "train_student": ["--input=FILE", "--output=OUT/student"],
    "analyze_results_teacher": ["--data=FILE", "--output=OUT/plots", "--model_dir=OUT"],
    "export_firmware": ["--data=FILE", "--output=OUT/firmware", "--model_dir=OUT"],
    "export_onnx": ["--data=FILE", "--output=OUT/onnx", "--model_dir=OUT"],
    "apply_correction": ["--input=FILE", "--output=OUT/corrected.h5", "--model_dir=OUT"],
}
