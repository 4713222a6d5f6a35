terraform {
  # 1.9 is the first version in which a variable's validation may look at anything but the variable.
  required_version = ">= 1.9"
}
