# The example hands its inputs on. It needs the zips of `make package`.

mock_provider "aws" { source = "../../tests/mocks" }

run "hands_its_inputs_on" {
  command = plan

  assert {
    condition     = output.analyze_function_name == "logos-analyze-image" && output.runs_table_name == "logos-runs"
    error_message = "The name must reach the module, and the module's outputs the caller."
  }
}
