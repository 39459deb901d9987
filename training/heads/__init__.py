"""The recipe of the heads that ship with Mobula (deployments/text/heads): data, training, figures
and the model card."""
