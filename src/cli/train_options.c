/* The option table of cdul-train. */
#include "programs.h"

#define OPTIONS cdul_train_cli

static const cdul_option table[] = {
    {.group = "Input",
     STRING("labels", 'l', train.labels, "FILE",
            "pseudo-labels of the images: safetensors from cdul-label, or CSV")},
    {ROW_ROOT(train.root)},
    {ROW_NULL(train.nul_separated)},
    {ROW_EXIF(train.exif)},
    {ROW_BACKGROUND(train.background)},
    {ROW_MAX_PIXELS(train.max_pixels)},
    {REAL("holdout", 0, train.holdout, "SHARE", 0, 0.9,
          "share of the images kept out of training, to watch the agreement with their "
          "pseudo-labels")},
    {STRING("eval-labels", 0, train.eval_labels, "FILE",
            "ground truth, to report mAP and cross-entropy after each epoch; it never trains or "
            "chooses anything")},

    {.group = "Network",
     STRING("arch", 0, train.arch, "NAME",
            "resnet18, resnet34, resnet50, resnet101 or resnet152, the last three also with -caffe "
            "(stride in the first 1x1); by default what --init says, else resnet50")},
    {STRING("init", 0, train.init, "FILE",
            "weights to start from, safetensors with torchvision's names; none = random; by "
            "default the ImageNet weights that come with cdul, unless --arch is another network")},
    {SIZE("size", 0, train.size, "PIXELS", 32, 2048,
          "side of the square input; more pixels cost time and help most")},
    {CHOICE("resize", 0, train.resize, "HOW", ONE_OF("shortest", "squash"),
            "how a whole image comes to that size: shortest scales its shorter side and keeps the "
            "middle square, squash keeps all of it and distorts it")},
    {SIZE("freeze", 0, train.freeze, "N", 0, 4,
          "leave the first N of four stages as they are: 1 = stem and layer1, 3 = all but layer4")},
    {CHOICE("bn", 0, train.bn, "HOW", ONE_OF("frozen", "train"),
            "batch norm: keep statistics and weights, or train them")},
    {FLAG("head-bias", 0, train.head_bias,
          "start the bias of a new head from the labels' class means")},

    {.group = "Optimisation",
     SIZE("epochs", 0, train.epochs, "N", 1, 100000, "passes over the images")},
    {SIZE("batch", 'b', train.batch, "N", 1, 65536, "images in one step")},
    {REAL("lr", 0, train.lr, "X", 0, 100, "learning rate of the body")},
    {REAL("head-lr-mult", 0, train.head_lr_mult, "X", 0, 1e6,
          "learning rate of the classifier head, as a multiple of --lr")},
    {CHOICE("optimizer", 0, train.optimizer, "NAME", ONE_OF("adamw", "sgd"), "optimiser")},
    {REAL("momentum", 0, train.momentum, "X", 0, 0.9999, "momentum of sgd")},
    {REAL("weight-decay", 0, train.weight_decay, "X", 0, 10,
          "weight decay of convolutions and head; biases and batch norm have none")},
    {CHOICE("schedule", 0, train.schedule, "SHAPE", ONE_OF("constant", "cosine", "step"),
            "how the learning rate falls; step divides it by ten after each third of the run")},
    {REAL("lr-warmup", 0, train.lr_warmup, "EPOCHS", 0, 1000,
          "epochs in which the learning rate rises to its full value")},
    {CHOICE("loss", 0, train.loss, "NAME", ONE_OF("bernoulli_kl", "bce", "softmax_kl"),
            "loss of the classifier against the pseudo-labels")},
    {REAL("ema", 0, train.ema, "DECAY", 0, 0.99999,
          "decay a step of a moving average of the weights, which then is the model; 0 = none")},
    {CHOICE(
        "bad-batch", 0, train.bad_batch, "HOW", ONE_OF("stop", "skip"),
        "what to do where a loss or gradient is not finite: end the run, or leave that batch out")},
    {SIZE("seed", 0, train.seed, "N", 0, CDUL_MAX_WHOLE, "seed of everything that is random")},

    {.group = "Alignment",
     CHOICE(
         "align", 0, train.align, "WHEN", ONE_OF("off", "on"),
         "move the pseudo-labels by gradient alignment between epochs, or leave them as they are")},
    {SIZE("warmup", 0, train.warmup, "EPOCHS", 0, 100000, "epochs before the labels first move")},
    {SIZE("period", 0, train.period, "EPOCHS", 1, 100000,
          "epochs from one move of the labels to the next")},
    {REAL("sigma", 0, train.alignment.sigma, "X", 1e-3, 1e3,
          "width of the weight on uncertain labels: at 0.2 only labels near 0.5 move, from 0.4 on "
          "nearly all")},
    {REAL("eta", 0, train.alignment.eta, "X", 0, 1e4,
          "step size of the labels; the largest step of a latent logit is about 0.4 eta / sigma")},
    {CHOICE("target", 0, train.alignment.target, "LOSS", ONE_OF("bce", "kl"),
            "loss that the labels descend")},

    {.group = "Augmentation", FLAG("flip", 0, train.flip, "mirror half of the images")},
    {REAL("crop-scale-min", 0, train.crop_scale_min, "SHARE", 0.01, 1,
          "smallest share of an image's area that a random crop takes; 1 = no crops")},
    {REAL("jitter", 0, train.jitter, "X", 0, 1,
          "change of brightness, contrast and saturation by a factor of 1 - X to 1 + X")},

    {.group = "Engine",
     STRING("device", 0, train.device, "NAME", "where to train: cpu, cuda, cuda:1, ...")},
    {CHOICE("precision", 0, train.precision, "NAME", ONE_OF("auto", "bf16", "fp32"),
            "numbers of the convolutions; auto is bf16 where the processor is fast at it")},
    {FLAG("channels-last", 0, train.channels_last,
          "keep channels innermost in memory, mostly faster")},
    {STRING("activation-cache", 0, train.activation_cache, "DIR",
            "with --freeze: folder for what the frozen stages compute, which is computed once; by "
            "default \"activations\" beside the run folder")},
    {SIZE("activation-copies", 0, train.activation_copies, "N", 0, 1000,
          "augmented copies of each image in that folder, used in turn; 0 = compute everything in "
          "every epoch")},

    {.group = "Output",
     STRING(
         "output", 'o', train.output, "PATH",
         "folder of the run: model, refined labels, log, checkpoint; with --export the ONNX file"),
     .command_only = true},
    {FLAG("resume", 'r', train.resume,
          "go on with the run in the output folder after its last complete epoch"),
     .command_only = true},
    {STRING("export", 0, export, "DIR", "write the model of this run folder as ONNX and exit"),
     .command_only = true},
    {0},
};

static const char *const examples[] = {
    "Train a ResNet-50 on the labels of cdul-label",
    "cdul-train -l labels.safetensors --init resnet50.safetensors photos/ \\\n"
    "      -o run/",
    "The same in a fraction of the time: only the last stage and the head, from cached activations",
    "cdul-train -l labels.safetensors --init resnet50.safetensors --freeze 3 \\\n"
    "      photos/ -o run/",
    "Without alignment, to compare; truth.csv is measured against and nothing else",
    "cdul-train -l labels.safetensors --init resnet50.safetensors \\\n"
    "      --align off --eval-labels truth.csv photos/ -o plain/",
    "Settings of a config, one of them changed",
    "cdul-train -c voc2007.json --epochs 10 -l labels.safetensors photos/ \\\n"
    "      -o run/",
    NULL,
};

const cdul_program cdul_program_train = {
    .name = "cdul-train",
    .section = "train",
    .summary =
        "train a multi-label classifier on pseudo-labels, and refine these by gradient alignment",
    .usage = LIST("cdul-train -l FILE [OPTION]... IMAGES... -o DIR",
                  "cdul-train -l FILE --resume [OPTION]... IMAGES... -o DIR",
                  "cdul-train --export DIR -o FILE"),
    .description =
        "A ResNet learns the pseudo-labels; between epochs the labels move towards what it "
        "predicts, the uncertain ones most: the training of CDUL (ICCV 2023). No ground truth is "
        "used.\n\nIMAGES are files, folders (searched recursively), lists written @list.txt with "
        "one path a line, or - for a list on standard input; they must hold the images that the "
        "labels name. A checkpoint is written after every epoch. The run folder is the model: give "
        "it to cdul-predict.\n\nThreads of OpenMP that wait for work would keep processors busy; "
        "the program therefore starts itself once more with OMP_WAIT_POLICY=passive and "
        "GOMP_SPINCOUNT=5000, unless one of them is set.",
    .examples = examples,
    .options = table,
    .options_size = sizeof(cdul_train_cli),
};
