"""The kinds of features: one file each, with one subclass of `asrkit.features.kind.FeatureKind`, whose name is the file's."""
